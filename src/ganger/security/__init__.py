"""Who may connect: today the cluster's secret, proved and never sent."""
