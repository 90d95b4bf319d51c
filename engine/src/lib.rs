//! From a pipeline file to a run: text, graph, plan, schedule.
