internal import Datasets
internal import FramedMessages
public import FramedRPC
public import TerraneMessages

/// terrane.v1.AdminService.
public struct AdminHandlers: AdminServiceServer {
  let ledger: LedgerScan
  let metrics: @Sendable () -> String

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
}

extension ScanFinding {
  fileprivate init(_ finding: LedgerScan.Finding) {
    self.init(kind: finding.kind, identifier: finding.identifier, detail: finding.detail)
  }
}
