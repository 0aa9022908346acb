internal import Credentials
internal import Dispatch
internal import Foundation
internal import FramedRPC
internal import Glibc
internal import Logging

/// Keeps the server's certificate from growing old under a server that runs for years: looks once a day whether it is due,
/// and reads it again on SIGHUP (after an administrator has replaced it).
struct Certificates: Sendable {
  private let store: CredentialStore
  private let tlsNames: [String]
  private let server: RPCServer
  private let logger = Logger(label: "terraned")

  init(_ store: CredentialStore, _ tlsNames: [String], _ server: RPCServer) {
    self.store = store
    self.tlsNames = tlsNames
    self.server = server
  }

  /// Until cancelled.
  func keepFresh() async {
    let (asked, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    signal(SIGHUP, SIG_IGN)
    let hangUp = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
    hangUp.setEventHandler { continuation.yield() }
    hangUp.activate()
    defer { hangUp.cancel() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for await _ in asked { reload(always: true) }
      }
      group.addTask {
        while (try? await Task.sleep(for: .seconds(86_400))) != nil { reload(always: false) }
      }
    }
  }

  /// Connections that are open go on with what they have.
  private func reload(always: Bool) {
    do {
      let certificates = try store.prepareServer(tlsNames: tlsNames)
      guard always || certificates.renewed else { return }
      try server.reloadCertificates()
      logger.info(
        "certificates read again",
        metadata: ["expiry": "\(certificates.expiry.ISO8601Format())", "renewed": "\(certificates.renewed)"])
    } catch {
      logger.error("certificates cannot be read again: the old ones stay", metadata: ["error": "\(error)"])
    }
  }
}
