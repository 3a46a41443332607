"""The plain CNN: no attention at all (article: "CNN")."""

TITLE = "CNN"
