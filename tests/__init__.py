"""The tests, by how much of the system each of them starts: see conftest.py for the rooms and their order."""
