"""What the pipeline does when it is killed, out of space, moved or given damaged files.

Each script breaks clones of this working tree on purpose, prints what happened as a Markdown table
and ends with 1 if a row is not as it should be. docs/reliability.md holds what was seen.
"""
