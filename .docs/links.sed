# A link to a file that is no page becomes the name of the file; one to a heading of a page, a link to the page.
s#\[\([^]]*\)\](\.\./\.\./\([^)]*\))#\1 (`\2`)#g
s#\(\.md\)\#[a-z0-9-]*)#\1)#g
