"""Hooks: coding agents that call tract when a turn has ended, so that their sessions are recorded as they go.

the program ──event on standard input──▸ tract hooks run ──▸ a process that goes on by itself
                                                                │ reads the transcript, commits what is new
                                                                ▼
                                                          a tract named by the session

settings      the programs' settings: a hook put in, taken out, looked for
sessions      a transcript's messages become commits; what was recorded before is known by its keys
"""
