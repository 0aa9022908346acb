// An engine in a process of its own, so that tests can kill it, stop it, and set fail points for it.
//
// coremachine-harness HOST PORT DATABASE USER PASSWORD SLOTS NAME SCRATCH
// NAME is the settings' host: the same name says that the former process of that name is dead.
// Writes "ready" to stdout, and runs until stdin ends.

internal import CoreMachine
internal import CoreMachineTesting
internal import Foundation
internal import PostgreSQL

let arguments = CommandLine.arguments
guard arguments.count == 9, let port = UInt16(arguments[2]), let slots = Int(arguments[6]) else {
  FileHandle.standardError.write(
    Data("usage: coremachine-harness HOST PORT DATABASE USER PASSWORD SLOTS NAME SCRATCH\n".utf8))
  exit(64)
}
let settings = ConnectionSettings(
  host: arguments[1], port: port, database: arguments[3], user: arguments[4],
  password: arguments[5].isEmpty ? nil : arguments[5], applicationName: "harness")
let fixture = EngineFixture(settings, thread: DatabaseThread(name: "harness"))
let engine = try await fixture.engine(slots: slots) { quick in
  quick.host = arguments[7]
  quick.scratchRoot = arguments[8]
  quick.childDatabase = ChildDatabase(host: arguments[1], port: Int(port), database: arguments[3])
}
FileHandle.standardOutput.write(Data("ready\n".utf8))
while readLine() != nil {}
await engine.stop()
