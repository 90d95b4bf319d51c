//! An HTML page as its elements, read by the parser that browsers' rules are written for.

use std::collections::BTreeMap;
use std::ops::Range;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// The elements of a page in the order in which they begin.
pub(crate) struct Page {
    pub(crate) elements: Vec<Element>,
    /// What a parser finds wrong with it.
    pub(crate) errors: Vec<String>,
}

pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Its text, white space between words as one space.
    pub(crate) text: String,
    /// What is inside of it, among all elements.
    inside: Range<usize>,
}

impl Element {
    pub(crate) fn has_class(&self, class: &str) -> bool {
        self.attribute("class")
            .split_whitespace()
            .any(|word| word == class)
    }

    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Page {
    pub(crate) fn parse(html: &str) -> Self {
        let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
        let mut page = Self {
            elements: Vec::new(),
            errors: dom
                .errors
                .borrow()
                .iter()
                .map(ToString::to_string)
                .collect(),
        };
        page.add(&dom.document);
        page
    }

    fn add(&mut self, node: &Handle) -> String {
        let mut text = String::new();
        let position = self.elements.len();
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attribute = |attribute: &html5ever::Attribute| {
                (
                    attribute.name.local.to_string(),
                    attribute.value.to_string(),
                )
            };
            self.elements.push(Element {
                name: name.local.to_string(),
                attributes: attrs.borrow().iter().map(attribute).collect(),
                text: String::new(),
                inside: 0..0,
            });
        }
        for child in node.children.borrow().iter() {
            match &child.data {
                NodeData::Text { contents } => text.push_str(&contents.borrow()),
                _ => text.push_str(&self.add(child)),
            }
        }
        if matches!(node.data, NodeData::Element { .. }) {
            let end = self.elements.len();
            let element = &mut self.elements[position];
            element.text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            element.inside = position + 1..end;
        }
        text
    }

    /// Elements of this name with this class; any name or class if one is empty.
    pub(crate) fn all(&self, name: &str, class: &str) -> Vec<&Element> {
        wanted(&self.elements, name, class)
    }

    /// The same among what is inside of an element.
    pub(crate) fn within(&self, element: &Element, name: &str, class: &str) -> Vec<&Element> {
        wanted(&self.elements[element.inside.clone()], name, class)
    }

    /// The parts that the contents lead to, which are to stand on the page in the same order.
    #[track_caller]
    pub(crate) fn parts(&self) -> Vec<&str> {
        let links = self.within(self.all("nav", "contents")[0], "a", "");
        let parts: Vec<&str> = links
            .iter()
            .map(|link| &link.attribute("href")[1..])
            .collect();
        let ids = self.elements.iter().map(|element| element.attribute("id"));
        let placed: Vec<&str> = ids.filter(|id| parts.contains(id)).collect();
        assert_eq!(placed, parts);
        parts
    }

    #[track_caller]
    pub(crate) fn id(&self, id: &str) -> &Element {
        let found = self
            .elements
            .iter()
            .find(|element| element.attribute("id") == id);
        found.unwrap_or_else(|| panic!("there is no #{id}"))
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.elements
            .iter()
            .any(|element| element.attribute("id") == id)
    }

    /// The cells of a table, row by row.
    pub(crate) fn rows(&self, table: &Element) -> Vec<Vec<String>> {
        let cells = |row: &&Element| {
            let inside = self.elements[row.inside.clone()].iter();
            let cells = inside.filter(|cell| matches!(cell.name.as_str(), "td" | "th"));
            cells.map(|cell| cell.text.clone()).collect()
        };
        self.within(table, "tr", "").iter().map(cells).collect()
    }
}

fn wanted<'a>(elements: &'a [Element], name: &str, class: &str) -> Vec<&'a Element> {
    let fits = |element: &&Element| {
        (name.is_empty() || element.name == name) && (class.is_empty() || element.has_class(class))
    };
    elements.iter().filter(fits).collect()
}
