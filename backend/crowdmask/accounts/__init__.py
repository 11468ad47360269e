"""Accounts: who acts. In this stage a person exists; signing in comes with the HTTP API."""
