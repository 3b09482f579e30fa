-- Opens a program in Neovim, edits it, sees its errors and applies a fix. Arguments: the command, the file, where the result goes.
local command, file, out = unpack(vim.fn.json_decode(vim.env.TSBPF_NEOVIM_TEST))
local result = {}
local function finish()
  vim.fn.writefile({ vim.fn.json_encode(result) }, out)
  vim.cmd("qall!")
end

vim.cmd("edit " .. file)
local buffer = vim.api.nvim_get_current_buf()
local client = vim.lsp.start_client({ name = "tsbpf", cmd = { command, "lsp" }, root_dir = vim.fn.fnamemodify(file, ":h") })
vim.lsp.buf_attach_client(buffer, client)

local function codes()
  local list = {}
  for _, one in ipairs(vim.diagnostic.get(buffer)) do
    table.insert(list, { code = one.code, line = one.lnum, message = one.message })
  end
  return list
end
local function wait(count)
  vim.wait(60000, function() return #vim.diagnostic.get(buffer) == count end, 20)
  return codes()
end

-- The file has one mistake; another one is typed, and never saved.
result.opened = wait(1)
local last = vim.api.nvim_buf_line_count(buffer)
vim.api.nvim_buf_set_lines(buffer, last - 2, last - 2, false, { "  if (ctx.sndCwnd == 3) ctx.reply = 2;" })
result.typed = wait(2)

local function mend(line, character)
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(buffer),
    range = { start = { line = line, character = character }, ["end"] = { line = line, character = character } },
    context = { diagnostics = {} },
  }
  local answers = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", params, 60000)
  for _, answer in pairs(answers or {}) do
    local action = answer.result and answer.result[1]
    if action then
      vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
      return action.title
    end
  end
end
result.fixes = {}
for _, one in ipairs(vim.diagnostic.get(buffer)) do
  table.insert(result.fixes, mend(one.lnum, one.col) or "none")
end
result.mended = wait(0)
result.text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
finish()
