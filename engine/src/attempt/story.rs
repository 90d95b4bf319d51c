//! What is told of an attempt: every event goes to the listener, inside the tracing span of the stage
//! that it is about. Workers open the spans of their batches below those.

use std::collections::HashMap;

use tracing::Span;

use crate::event::{Event, Listener};
use crate::graph::StageId;
use crate::pipeline::StageNode;

pub(crate) struct Story<'a> {
    listener: Listener<'a>,
    /// The spans of stages under way.
    spans: HashMap<StageId, Span>,
}

impl<'a> Story<'a> {
    pub(crate) fn new(listener: Listener<'a>) -> Self {
        let spans = HashMap::new();
        Self { listener, spans }
    }

    /// Opens the span of a stage.
    pub(crate) fn open(&mut self, id: StageId, node: &StageNode) {
        let (stage, kind) = (node.name.as_str(), node.kind);
        let span = tracing::info_span!("stage", otel.name = stage, stage, kind);
        self.spans.insert(id, span);
    }

    /// Closes it.
    pub(crate) fn close(&mut self, id: StageId) {
        self.spans.remove(&id);
    }

    /// The span of a stage; where none is open, the one that is current.
    pub(crate) fn span(&self, id: StageId) -> Span {
        self.spans.get(&id).cloned().unwrap_or_else(Span::current)
    }

    /// Tells an event about a stage.
    pub(crate) fn tell(&mut self, id: StageId, event: Event) {
        let span = self.spans.get(&id);
        let _within = span.map(Span::enter);
        (self.listener)(event);
    }
}
