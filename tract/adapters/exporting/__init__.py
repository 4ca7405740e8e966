"""Exporting: a context as a file for another program; a program's format becomes a new session that it can resume.

export        Exported: the text of the file, and what the format cannot carry
sessions      the folders in which programs look for their sessions
claude_code   codex   gemini_cli     one file a program
plain         request bodies, lines, Markdown, ShareGPT
"""

from tract.adapters.exporting.export import EXPORT_FORMATS, ExportFormat, ExportResult, export_context, write_export
from tract.adapters.exporting.sessions import session_place

__all__ = ["EXPORT_FORMATS", "ExportFormat", "ExportResult", "export_context", "session_place", "write_export"]
