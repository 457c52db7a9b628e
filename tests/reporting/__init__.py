"""Tests of grader.reporting."""
