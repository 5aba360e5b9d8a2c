"""One command from files to a page: a preview of the files at once, and a child process that learns behind it."""
