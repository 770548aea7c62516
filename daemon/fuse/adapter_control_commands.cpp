// SPDX-License-Identifier: MIT
// The control directory's file `control`: commands and their answers, by write and read or by
// ioctl.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <string_view>

#include "control/control_ioctl.h"
#include "fuse/adapter_control.h"
#include "fuse/link.h"
#include "fuse/reply.h"
#include "fuse/request.h"

namespace mmapdirfs {
namespace {

// Of a line that NUL ends: without that and a newline before. Nothing if NUL doesn't.
std::optional<std::string_view> line_in(std::string_view bytes) {
  const auto end = bytes.find('\0');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const auto line = bytes.substr(0, end);
  return line.substr(0, line.size() - (line.ends_with('\n') ? 1 : 0));
}

ControlConversation conversation_in(const void* in) {
  ControlConversation result;
  std::memcpy(&result, in, sizeof result);
  return result;
}

}  // namespace

void ControlAdapter::open_commands(fuse_req_t req, fuse_file_info* info) {
  if (const auto may = ControlDirectory::may_command(caller_of(req).uid); !may) {
    return reply_error(req, may.error());
  }
  const HandleId handle = sessions_.open(info->flags);
  info->fh = static_cast<std::uint64_t>(handle);
  info->direct_io = 1;
  info->nonseekable = 1;
  info->noflush = 1;
  if (fuse_reply_open(req, info) != 0) {
    sessions_.release(handle);
  }
}

void ControlAdapter::write(fuse_req_t req, fuse_ino_t node, const char* bytes, std::size_t size,
                           off_t /*offset*/, fuse_file_info* info) {
  if (!ControlDirectory::is_for_commands(node_of(node))) {
    return reply_errno(req, EPERM);
  }
  const auto taken = sessions_.write(handle_of(info), std::string_view(bytes, size));
  if (!taken) {
    return reply_errno(req, taken.error());
  }
  fuse_reply_write(req, *taken);
}

void ControlAdapter::ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void* /*argument*/,
                           fuse_file_info* info, unsigned /*flags*/, const void* in,
                           std::size_t in_size, std::size_t /*out_size*/) {
  if (!ControlDirectory::is_for_commands(node_of(node))) {
    return reply_errno(req, ENOTTY);
  }
  if (const auto may = ControlDirectory::may_command(caller_of(req).uid); !may) {
    return reply_error(req, may.error());
  }
  const bool has_handle = reads_ == ControlReads::kByHandle;
  if (has_handle && command == kControlIoctl && in_size == sizeof(ControlCommand)) {
    return run(req, info, {static_cast<const char*>(in), in_size});
  }
  if (has_handle || in_size != sizeof(ControlConversation)) {
    return reply_errno(req, ENOTTY);
  }
  switch (command) {
    case kControlAsk:
      return ask(req, conversation_in(in));
    case kControlListen:
      return listen(req, conversation_in(in));
    case kControlHangUp:
      sessions_.release(HandleId{conversation_in(in).number});
      fuse_reply_ioctl(req, 0, nullptr, 0);
      return;
    default:
      reply_errno(req, ENOTTY);
  }
}

void ControlAdapter::run(fuse_req_t req, const fuse_file_info* info, std::string_view argument) {
  const auto line = line_in(argument);
  if (!line) {
    return reply_errno(req, EINVAL);
  }
  const auto begun = sessions_.run(handle_of(info), *line);
  if (!begun) {
    return reply_errno(req, begun.error());
  }
  fuse_reply_ioctl(req, 0, nullptr, 0);
}

void ControlAdapter::ask(fuse_req_t req, ControlConversation conversation) {
  const auto line = line_in({std::begin(conversation.text), std::size(conversation.text)});
  if (!line) {
    return reply_errno(req, EINVAL);
  }
  const auto number = sessions_.ask(*line);
  if (!number) {
    return reply_errno(req, number.error());
  }
  conversation.number = static_cast<std::uint64_t>(*number);
  if (fuse_reply_ioctl(req, 0, &conversation, sizeof conversation) != 0) {
    sessions_.release(*number);  // the caller was killed
  }
}

void ControlAdapter::listen(fuse_req_t req, const ControlConversation& conversation) {
  const HandleId handle{conversation.number};
  read_answers(req, sizeof conversation.text, handle,
               [this, req, handle](const std::expected<std::string_view, int>& text) {
                 if (!text) {
                   return reply_errno(req, text.error());
                 }
                 if (text->empty()) {
                   sessions_.release(handle);
                 }
                 ControlConversation answer{.number = static_cast<std::uint64_t>(handle),
                                            .size = text->size(),
                                            .text = {}};
                 std::ranges::copy(*text, std::begin(answer.text));
                 fuse_reply_ioctl(req, 0, &answer, sizeof answer);
               });
}

void ControlAdapter::read_answers(fuse_req_t req, std::size_t size, const fuse_file_info* info) {
  read_answers(req, size, handle_of(info), [req](const std::expected<std::string_view, int>& text) {
    if (!text) {
      return reply_errno(req, text.error());
    }
    fuse_reply_buf(req, text->data(), text->size());
  });
}

// One that waits is counted as answered when it begins to: its time is the command's.
// The interrupter knows the read by number: libfuse may still be calling it while the read ends.
void ControlAdapter::read_answers(fuse_req_t req, std::size_t size, HandleId handle,
                                  const ControlSession::Reply& reply) {
  const auto waits = sessions_.try_read(handle, size, reply);
  if (!waits) {
    return;
  }
  fuse_req_interrupt_func(
      req,
      [](fuse_req_t interrupted, void* number) {
        const auto id = WaitingRead{reinterpret_cast<std::uintptr_t>(number)};
        adapter_of(interrupted).control()->sessions_.interrupt(id);
      },
      // NOLINTNEXTLINE(performance-no-int-to-ptr): a pointer's place is all that libfuse has.
      reinterpret_cast<void*>(static_cast<std::uintptr_t>(*waits)));
  sessions_.wait_to_read(*waits, size, reply);
}

}  // namespace mmapdirfs
