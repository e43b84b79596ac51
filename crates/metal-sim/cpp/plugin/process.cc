#include "process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <sstream>

extern char** environ;

namespace msim {

ProcessAnswer run_process(const std::vector<std::string>& command) {
  std::vector<std::string> words;
  std::istringstream first(command.front());
  for (std::string word; first >> word;) words.push_back(word);
  words.insert(words.end(), command.begin() + 1, command.end());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  ProcessAnswer answer;
  int ends[2];
  if (words.empty() || pipe2(ends, O_CLOEXEC) != 0) return answer;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  pid_t child = 0;
  int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error == 0) {
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) answer.output.append(part, n);
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFEXITED(status)) answer.status = WEXITSTATUS(status);
  } else {
    answer.output = std::strerror(error);
  }
  close(ends[0]);
  return answer;
}

}  // namespace msim
