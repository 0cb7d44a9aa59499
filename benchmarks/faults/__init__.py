"""What the pipeline does when it is killed, shared by a team or given many pictures.

Each script works in clones of this working tree, prints what happened as a Markdown table and ends
with 1 if a row is not as it should be. docs/ hold what was seen.
"""
