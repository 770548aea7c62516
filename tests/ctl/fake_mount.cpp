// SPDX-License-Identifier: MIT
#include "ctl/fake_mount.h"

#include <algorithm>
#include <memory>

#include "ctl/run.h"
#include "version.h"

namespace mmapdirfs {

// The programs' own tells libfuse's version, which these tests do without.
std::string version_text() { return "mmapdirctl of the tests\n"; }

}  // namespace mmapdirfs

namespace mmapdirfs::ctl::test {
namespace {

class FakeChannel final : public ControlChannel {
 public:
  explicit FakeChannel(FakeMount& mount) : mount_(mount) {}

  Outcome<std::string> read_file(std::string_view name) override {
    const auto found = mount_.files.find(name);
    return found == mount_.files.end() ? Outcome<std::string>(fail("no such file")) : found->second;
  }

  Outcome<Ending> converse(const std::string& command,
                           const std::function<void(std::string_view)>& take) override {
    mount_.asked.push_back(command);
    const auto verb = command.substr(0, command.find(' '));
    const auto found = mount_.answers.find(verb);
    if (found == mount_.answers.end()) {
      take(R"({"event":"failed","errno":22,"message":"no such command"})");
      return Ending::kAnswered;
    }
    std::ranges::for_each(found->second, take);
    return verb == mount_.interrupted ? Ending::kInterrupted : Ending::kAnswered;
  }

 private:
  FakeMount& mount_;
};

}  // namespace

Ran run_on(FakeMount& mount, const std::vector<std::string>& arguments, const Terminal& terminal,
           const Machine& machine) {
  std::ostringstream out;
  std::ostringstream messages;
  Context context{
      .channel = nullptr,
      .open_mount =
          [&mount](const Invocation& /*where*/) -> Outcome<std::unique_ptr<ControlChannel>> {
        return std::make_unique<FakeChannel>(mount);
      },
      .out = out,
      .messages = messages,
      .out_terminal = terminal,
      .message_terminal = terminal,
      .machine = machine};
  const int status = run(arguments, context);
  return {.status = status, .output = out.str(), .messages = messages.str()};
}

Terminal fine_terminal(unsigned columns) {
  return {.is_terminal = true,
          .has_colour = true,
          .charset = Charset::kUtf8,
          .columns = columns,
          .rows = 24};
}

}  // namespace mmapdirfs::ctl::test
