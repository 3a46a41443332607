"""MLflow, and the only importer of it: a view of what the stages wrote.

Nothing is logged from here that does not lie in a file of the pipeline, or will. `publishing`
replays files into runs; `following` shows a training while it runs, by way of a process of its own
(`reporter`), so that no server can harm a training; `serving` opens MLflow's pages.
"""
