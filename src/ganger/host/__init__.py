"""One machine's processes: starts a master and workers, keeps them, and leaves nothing behind."""
