"""The worker process: an agent that holds executors and one connection to the master."""
