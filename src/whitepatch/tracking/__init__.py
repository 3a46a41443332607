"""MLflow, and the only importer of it: a view of what the stages wrote.

`publishing` writes what `replay` reads from the pipeline's files; `following` shows a training
while it runs, by way of a process of its own (`reporter`), so that no server can harm a training;
`serving` opens MLflow's pages.
"""
