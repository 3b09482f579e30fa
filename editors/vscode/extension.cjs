"use strict";
// Starts `tsbpf lsp` of each workspace folder that has it. Everything else is the server's.
const fs = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const clients = [];

async function activate() {
  const settings = vscode.workspace.getConfiguration("tsbpf");
  for (const folder of vscode.workspace.workspaceFolders ?? []) {
    const root = folder.uri.fsPath;
    const command = settings.get("path") || path.join(root, "node_modules/.bin/tsbpf");
    if (path.isAbsolute(command) && !fs.existsSync(command)) continue;
    const client = new LanguageClient(
      "tsbpf",
      "tsbpf",
      { command, args: ["lsp"], options: { cwd: root } },
      {
        documentSelector: [{ scheme: "file", language: "typescript", pattern: `${root}/**` }],
        workspaceFolder: folder,
        initializationOptions: { typescriptErrors: settings.get("typescriptErrors") },
      },
    );
    clients.push(client);
    await client.start();
  }
}

const deactivate = () => Promise.all(clients.map((client) => client.stop()));

module.exports = { activate, deactivate };
