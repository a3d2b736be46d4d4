"""The verification kit. `import dezero` never imports it."""
