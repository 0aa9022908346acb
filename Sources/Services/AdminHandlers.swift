internal import Datasets
internal import FramedMessages
public import FramedRPC
public import TerraneMessages

/// terrane.v1.AdminService.
public struct AdminHandlers: AdminServiceServer {
  let ledger: LedgerScan
  let metrics: @Sendable () -> String
  let view: ServerView

  public func scan(_ request: ScanRequest, context: ServerCallContext) async throws -> ScanResponse {
    do {
      let report = try await ledger.run()
      return ScanResponse(
        unexpected: report.unexpected.map(ScanFinding.init), missing: report.missing.map(ScanFinding.init),
        ledgerRows: Int64(report.ledgerRows), things: Int64(report.things),
        scanTime: ProtobufTimestamp(microsecondsSince1970: Clock.microseconds()))
    } catch { throw RPCError(anything: error) }
  }

  public func getMetrics(_ request: GetMetricsRequest, context: ServerCallContext) async throws -> GetMetricsResponse {
    GetMetricsResponse(text: metrics())
  }

  public func listConnections(
    _ request: ListConnectionsRequest, context: ServerCallContext
  ) async throws -> ListConnectionsResponse {
    let streams = request.streams == 0 ? 20 : Int(min(request.streams, 1_000))
    let found = await view.connections(streams: streams)
    return ListConnectionsResponse(
      connections: found.prefix(1_000).map(ConnectionInfo.init), count: UInt32(clamping: found.count))
  }
}

extension ConnectionInfo {
  fileprivate init(_ view: ConnectionView) {
    self.init(
      peer: view.peer, principal: view.principal, agent: view.agent, ageMs: view.age.milliseconds,
      silentMs: view.silence.milliseconds, openStreams: UInt32(clamping: view.openStreams),
      heldBytes: Int64(view.heldBytes), draining: view.draining, streams: view.streams.map(StreamInfo.init))
  }
}

extension StreamInfo {
  fileprivate init(_ view: StreamView) {
    self.init(
      id: view.id, method: view.method, principal: view.principal, state: view.state, ageMs: view.age.milliseconds,
      heldBytes: Int64(view.heldBytes), waiting: UInt32(clamping: view.waiting),
      blockedMs: view.blocked?.milliseconds)
  }
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
  }
}

extension ScanFinding {
  fileprivate init(_ finding: LedgerScan.Finding) {
    self.init(kind: finding.kind, identifier: finding.identifier, detail: finding.detail)
  }
}
