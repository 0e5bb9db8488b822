"""What a shop lays down: its policy and its rules, version by version."""
