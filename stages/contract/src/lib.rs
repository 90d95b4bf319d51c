//! What a stage is: ports, units, outcomes, tables.
