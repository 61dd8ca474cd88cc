"""From Markdown to verdicts: what is written, what it binds, what is wrong with it, what a page needs beside it."""
