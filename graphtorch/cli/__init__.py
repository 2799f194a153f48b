"""The command line: run, dump, explain, report, bench."""
