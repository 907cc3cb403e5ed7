"""Simulated CRMs that speak their vendor's API on a real socket of this machine.

Here live the server, its clock, store, faults and control endpoint, and one
package a vendor. Nothing here may import a connector: what both believed
would otherwise prove itself. Start one with `migrate.sandbox.server.launch`
or `python -m migrate.sandbox <vendor>`.
"""
