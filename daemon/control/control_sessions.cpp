// SPDX-License-Identifier: MIT
#include "control/control_sessions.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace mmapdirfs {

ControlSessions::Shared ControlSessions::make(ControlSession::Answers answers,
                                              ControlSession::Clock::duration patience) {
  auto session = std::make_shared<ControlSession>(table_, lanes_, answers, patience);
  auto sessions = sessions_.lock();
  std::erase_if(*sessions, [](const auto& each) { return each.expired(); });
  sessions->push_back(session);
  return session;
}

HandleId ControlSessions::open(int flags) {
  const bool answers_are_read = (flags & O_ACCMODE) != O_WRONLY;
  return handles_.insert(
      make(answers_are_read ? ControlSession::Answers::kRead : ControlSession::Answers::kDropped));
}

void ControlSessions::release(HandleId handle) {
  if (const auto session = handles_.remove(handle)) {
    session->close();
  }
}

std::expected<std::size_t, int> ControlSessions::write(HandleId handle, std::string_view bytes) {
  const auto session = handles_.find(handle);
  return session ? (*session)->write(bytes) : std::unexpected(session.error().errnum());
}

std::expected<void, int> ControlSessions::run(HandleId handle, std::string_view line) {
  const auto session = handles_.find(handle);
  return session ? (*session)->run(line) : std::unexpected(session.error().errnum());
}

std::expected<HandleId, int> ControlSessions::ask(std::string_view line) {
  drop_forsaken();
  auto session = make(ControlSession::Answers::kRead, patience_);
  if (const auto begun = session->run(line); !begun) {
    return std::unexpected(begun.error());
  }
  return handles_.insert(std::move(session));
}

void ControlSessions::drop_forsaken() {
  for (const auto& session : handles_.remove_if(&ControlSession::is_forsaken)) {
    session->close();
  }
}

std::optional<WaitingRead> ControlSessions::try_read(HandleId handle, std::size_t size,
                                                     const ControlSession::Reply& reply) {
  const auto session = handles_.find(handle);
  if (!session) {
    reply(std::unexpected(session.error().errnum()));
    return std::nullopt;
  }
  if ((*session)->try_read(size, reply)) {
    return std::nullopt;
  }
  auto waits = waits_.lock();
  const WaitingRead id{++waits->last};
  waits->reads.emplace(id, Waiting{.session = *session});
  return id;
}

// An interrupt comes before the session has the read, and is seen here; or after, and finds it.
void ControlSessions::wait_to_read(WaitingRead id, std::size_t size, ControlSession::Reply reply) {
  const Shared session = waits_.lock()->reads.at(id).session;
  session->read(id, size, [this, id, reply = std::move(reply)](const auto& result) {
    forget_wait(id);
    reply(result);
  });
  bool is_interrupted = false;
  {
    auto waits = waits_.lock();
    const auto found = waits->reads.find(id);
    is_interrupted = found != waits->reads.end() && found->second.is_interrupted;
  }
  if (is_interrupted) {
    session->interrupt(id);
  }
}

void ControlSessions::interrupt(WaitingRead id) {
  Shared session;
  {
    auto waits = waits_.lock();
    const auto found = waits->reads.find(id);
    if (found == waits->reads.end()) {
      return;
    }
    found->second.is_interrupted = true;
    session = found->second.session;
  }
  session->interrupt(id);
}

void ControlSessions::stop() {
  lanes_.quick.close();
  lanes_.slow.close();
  const auto all = *sessions_.lock();
  for (const auto& each : all) {
    if (const auto session = each.lock()) {
      session->cancel();
    }
  }
  lanes_.quick.stop();
  lanes_.slow.stop();
}

}  // namespace mmapdirfs
