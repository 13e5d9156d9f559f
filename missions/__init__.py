"""The vocabulary of missions: statuses, transition tables, recipes, contracts, events. Pure: no I/O, no temporalio."""
