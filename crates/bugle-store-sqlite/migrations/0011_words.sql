-- The indexed words themselves, to find those that begin as what was typed. A view of the index: nothing is stored for it.

CREATE VIRTUAL TABLE incident_word USING fts5vocab (incident_text, instance);
