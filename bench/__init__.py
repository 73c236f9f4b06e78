"""The benchmark: ganger beside its peers on this machine, in the same run.

``python -m bench`` plans and runs the measurements, ``bench.measure`` is one of them (a process of its
own), ``bench.report`` turns the results into ``docs/reference/performance.md``. See ``bench/README.md``.
"""
