"""The process that runs user code, and the zygote that forks it. User code runs nowhere else."""
