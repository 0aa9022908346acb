import DatasetTasks
import Geospatial
import TaskProtocol

// Wiring only: one task, read from stdin, reported on descriptor 3, done on the main thread.
switch CommandLine.arguments.dropFirst().first {
case "--version", "--self-test":
  exitProcess(SelfTest.run())
case nil:
  exitProcess(TaskProgram.run())
case let argument?:
  writeError("terrane-task: unknown argument \(argument); it is started by terraned, or with --self-test.\n")
  exitProcess(ExitCode.unusable)
}
