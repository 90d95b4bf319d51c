-- Version 1 of the ledger. README.md explains every column.

-- One row a unit of work. `input` stands last: it is the longest and the least often read.
CREATE TABLE unit (
    id       INTEGER PRIMARY KEY,
    key      BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    valid    INTEGER NOT NULL DEFAULT 1,
    commits  INTEGER NOT NULL DEFAULT 1,
    seconds  REAL NOT NULL,
    run      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    seal     BLOB NOT NULL,
    outcome  TEXT NOT NULL,
    input    TEXT NOT NULL
);

-- Which units' outcomes name a blob.
CREATE TABLE produced (
    blob BLOB NOT NULL,
    unit INTEGER NOT NULL,
    PRIMARY KEY (blob, unit)
) WITHOUT ROWID;

-- Who is working on what.
CREATE TABLE lease (
    key   BLOB PRIMARY KEY,
    owner TEXT NOT NULL
) WITHOUT ROWID;

-- Whole stages, remembered.
CREATE TABLE stage (
    key         BLOB PRIMARY KEY CHECK (length(key) = 32),
    outputs     TEXT NOT NULL,
    rows        TEXT NOT NULL,
    units       INTEGER NOT NULL,
    seconds     REAL NOT NULL,
    run         TEXT NOT NULL,
    seal        BLOB NOT NULL,
    explanation TEXT NOT NULL
);

-- Under which names stages were seen, oldest first.
CREATE TABLE stage_history (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline TEXT NOT NULL,
    stage    TEXT NOT NULL,
    key      BLOB NOT NULL,
    at       INTEGER NOT NULL
);
CREATE INDEX stage_history_by_name ON stage_history (pipeline, stage, id);
CREATE INDEX stage_history_by_key ON stage_history (key);

-- Digests of the user's files, and what the files looked like when they were taken.
CREATE TABLE file (
    path     BLOB PRIMARY KEY,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    seal     BLOB NOT NULL,
    digest   BLOB NOT NULL CHECK (length(digest) = 32)
) WITHOUT ROWID;

-- What was exported where.
CREATE TABLE export (
    target   BLOB NOT NULL,
    path     TEXT NOT NULL,
    identity BLOB NOT NULL CHECK (length(identity) = 32),
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    PRIMARY KEY (target, path)
) WITHOUT ROWID;
