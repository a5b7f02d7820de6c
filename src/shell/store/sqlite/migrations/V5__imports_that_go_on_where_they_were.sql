-- How far an import of a file got, kept in the same transaction as its leads: JSON, by a digest that tells the import from others.
CREATE TABLE import_mark (
    import TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    mark TEXT NOT NULL
) STRICT, WITHOUT ROWID;
