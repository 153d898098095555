"""Programs that stand in for the tools of build_scripts/, with the tools' own flags and faults."""
