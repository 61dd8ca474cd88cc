"""What is declared, and where: the project's folders, its posts, what a paper reports."""
