"""What users import: clients, futures, the embedded cluster."""
