{{/* The pods of the service, before `patches`. */}}
{{- define "llm.podSpec" -}}
# preStop, the drain, and the end of the engine and its processes.
terminationGracePeriodSeconds: {{ add 5 (dig "drain_timeout" 60 .Values.settings | ceil | int) 30 }}
{{- with .Values.serviceAccount.name }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClass }}
runtimeClassName: {{ . }}
{{- end }}
automountServiceAccountToken: false
# A service called "model" in the namespace would otherwise set variables of that name.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  # The user and group that BentoML makes in an image.
  runAsUser: 1034
  runAsGroup: 1034
  fsGroup: 1034
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
- name: llm
  image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | toJson }}
  {{- with .Values.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  ports:
  - name: http
    containerPort: 3000
  env:
  {{- range $name, $value := .Values.settings }}
  - name: {{ upper $name }}
    value: {{ include "llm.variable" $value }}
  {{- end }}
  - name: BENTOML_HOME
    value: /tmp/bentoml
  - name: BENTOML_DO_NOT_TRACK
    value: "True"
  - name: HF_TOKEN
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secret | default .Release.Name }}
        key: HF_TOKEN
        optional: true
  {{- if not .Values.open }}
  - name: API_KEYS
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secret | default .Release.Name }}
        key: API_KEYS
        optional: {{ .Values.keysFile }}
  {{- if .Values.keysFile }}
  - name: API_KEYS_FILE
    value: /etc/llm-services/keys.toml
  {{- end }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  resources:
    requests:
      {{- toYaml .Values.resources.requests | nindent 6 }}
    {{- $limits := .Values.resources.limits }}
    {{- if .Values.gpus }}
    {{- $limits = merge (dict .Values.gpuResource (toString .Values.gpus)) $limits }}
    {{- end }}
    {{- with $limits }}
    limits:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  lifecycle:
    preStop:
      # Until those who send requests know that this replica is going.
      sleep:
        seconds: 5
  startupProbe:
    httpGet:
      path: /readyz
      port: http
    timeoutSeconds: 30
    periodSeconds: 10
    failureThreshold: {{ divf (include "llm.startSeconds" . | int) 10 | ceil | int }}
  livenessProbe:
    httpGet:
      path: /livez
      port: http
    timeoutSeconds: 10
    periodSeconds: 10
    failureThreshold: 3
  readinessProbe:
    httpGet:
      path: /readyz
      port: http
    # A probe may generate a token first.
    timeoutSeconds: 30
    periodSeconds: 10
    failureThreshold: 1
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
  volumeMounts:
  - name: scratch
    mountPath: /tmp
  - name: shm
    mountPath: /dev/shm
  - name: cache
    mountPath: /home/bentoml/.cache
  {{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .Values.keysFile }}
  # A folder, since Kubernetes does not change files that are mounted one by one.
  - name: keys
    mountPath: /etc/llm-services
    readOnly: true
  {{- end }}
volumes:
- name: scratch
  emptyDir: {}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.shm }}
- name: cache
  {{- if .Values.cache.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Release.Name }}-cache
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- with .Values.volumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- if .Values.keysFile }}
- name: keys
  secret:
    secretName: {{ .Values.secret | default .Release.Name }}
    items:
    - key: keys.toml
      path: keys.toml
{{- end }}
{{- with include "llm.nodeSelector" . | fromYaml }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpread }}
topologySpreadConstraints:
{{- range . }}
- {{ merge (dict "labelSelector" (dict "matchLabels" (include "llm.selector" $ | fromYaml))) . | toJson }}
{{- end }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.gpus .Values.tolerations }}
tolerations:
{{- if .Values.gpus }}
- key: {{ include "llm.gpuTaint" . }}
  operator: Exists
  effect: NoSchedule
{{- end }}
{{- with .Values.tolerations }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same with `patches`, as YAML. */}}
{{- define "llm.patchedPodSpec" -}}
{{- $pod := include "llm.podSpec" . | fromYaml }}
{{- $container := mergeOverwrite (first $pod.containers) (deepCopy .Values.patches.container) }}
{{- $_ := set $pod "containers" (list $container) }}
{{- mergeOverwrite $pod (deepCopy .Values.patches.pod) | toYaml }}
{{- end }}

{{/* The labels of nodes that the GPU operator gives, and those of the values. */}}
{{- define "llm.nodeSelector" -}}
{{- with .Values.gpuProduct }}
nvidia.com/gpu.product: {{ . | toJson }}
{{- end }}
{{- with .Values.nodeSelector }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* The taint of nodes with GPUs: that of a MIG slice is the vendor's. */}}
{{- define "llm.gpuTaint" -}}
{{ regexFind "^[^/]+/" .Values.gpuResource }}gpu
{{- end }}
