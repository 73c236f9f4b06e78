"""A census of Python source code, in pure parts that a plain loop and a cluster run alike.

- ``sources``: which files are counted.
- ``counting``: one file's census, and the merge of many. Nothing here knows about a cluster.
- ``tree``: the same work as a tree of dependent tasks.
- ``faults``: what is killed in the middle, and who did how much.
- ``report``: what the reader sees.
"""
