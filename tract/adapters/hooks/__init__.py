"""Hooks: coding agents that call tract when a turn has ended, so that their sessions are recorded as they go.

the program ──event on standard input──▸ a shell, which reads it and lets the program go ──▸ tract hooks run, by itself
                                                                                             │ reads what is new in the transcript, and commits it
                                                                                             ▼
                                                                                       a tract named by the session

programs          which programs there are, and at which events they call
program_settings  their settings: a hook put in, taken out, looked for; splicing leaves every other byte of them alone
parting           the program is let go before anything is loaded, where no shell has done that
sessions          a transcript's messages become commits; what was recorded before is known by its keys
following         reading on from where the last reading ended, which a mark in the store says
transcript_kinds  what the programs' transcripts need for that; claude_code is one of them
"""
