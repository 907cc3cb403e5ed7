"""The web console: where a cutover stands, for people who don't type commands.

A local web application of server-rendered pages. It shows what functions of the core, the validators and the
rollback return, and acts by running commands. Nothing but the command line imports it.
"""
