
2
xPlaceholder*
dtype0*
shape
:
.
iPlaceholder*
dtype0*
shape:
H
yGatherxi*
Tindices0*
Tparams0*
validate_indices("ª