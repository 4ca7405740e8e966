"""Hooks: coding agents that call tract when a turn has ended, so that their sessions are recorded as they go.

the program ──event on standard input──▸ tract hooks run ──▸ a process that goes on by itself
                                                                │ reads what is new in the transcript, and commits it
                                                                ▼
                                                          a tract named by the session

programs      which programs there are, and at which events they call
settings      their settings: a hook put in, taken out, looked for; splicing leaves every other byte of them alone
parting       the program is let go before anything is loaded
sessions      a transcript's messages become commits; what was recorded before is known by its keys
following     reading on from where the last reading ended, which a mark in the store says
kinds         what the programs' transcripts need for that; claude_code is one of them
"""
