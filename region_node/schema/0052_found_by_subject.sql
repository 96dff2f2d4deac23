-- What is sealed under a number is looked for by it when the number is erased.
CREATE INDEX document_files_subject ON document_files (subject);
CREATE INDEX import_rejections_subject ON import_rejections (subject);
