"""Tables and the questions asked of them: rows in, rows and facts out.

May import: core, and sqlalchemy / flask_sqlalchemy.
"""
