"""The command line: a file for each noun, a file for each thing that they share."""
