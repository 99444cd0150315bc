-- The index has each word of an incident, and each two that meet in what has no space in it as one entry. Where they stand in
-- the text it does not keep: what it finds is looked up in the incident. Splitting and folding are the program's.

DROP TABLE incident_word;
DROP TABLE incident_text;

CREATE VIRTUAL TABLE incident_text USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
CREATE VIRTUAL TABLE incident_word USING fts5vocab (incident_text, instance);
