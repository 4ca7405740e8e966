"""Hooks: coding agents call tract when a turn has ended, so that their sessions are recorded while they run.

the program ──event on standard input──▸ a shell, which reads it and lets the program go ──▸ tract hooks run, by itself
                                                                                             │ reads the new part of the transcript, and commits it
                                                                                             ▼
                                                                                       a tract named by the session

programs          the programs, and the events at which they call
program_settings  their settings: adding, removing and finding a hook; splicing leaves every other byte unchanged
parting           lets the program go before anything is loaded, if no shell has done that
sessions          turns a transcript's messages into commits; keys identify those recorded before
following         reads on from the end of the last reading, which a mark in the store names
transcript_kinds  the support for the programs' transcripts; claude_code is one of them
"""
